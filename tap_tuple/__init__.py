"""Singer tap for Tuple: pair-programming calls of a team and their participants."""
