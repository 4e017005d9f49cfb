"""Singer tap for Tuple's usage API: which calls a team had, who was in them, and when."""
