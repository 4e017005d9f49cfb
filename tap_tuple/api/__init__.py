"""The client of Tuple's usage API: HTTP and Tuple, and of the SDK only its paginator and authenticator classes.

Source of every fact about the API: https://docs.tuple.app/team-management/usage-api-alpha
"""
