"""The server: workers, sockets and HTTP/1.1, for one ASGI application. Knows nothing of pictures."""
