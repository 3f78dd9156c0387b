"""Django's settings and addresses, and the ASGI application that holds everything."""
