"""Django's settings, derived from `Settings`."""

from __future__ import annotations

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import django_stubs_ext

from mezzotint.settings import Settings
from mezzotint.site import logs
from mezzotint.site.databases import cache, database, queue

django_stubs_ext.monkeypatch()  # generic classes of Django can be subscripted, as its types say

_settings = Settings.read()

_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_PROFILE")
for _name in _AWS:
    if os.environ.get(_name) == "":
        del os.environ[_name]  # what is empty is not set, for AWS's own library too
if "AWS_ACCESS_KEY_ID" not in os.environ:  # those of a `.env`, for libraries that look for their own
    for _name in _AWS:
        if _name in _settings.credentials:
            os.environ[_name] = _settings.credentials[_name]

SECRET_KEY = _settings.secret_key
DEBUG = _settings.debug
ALLOWED_HOSTS = ["*"]  # no address that anybody else is shown is built from the Host header
CSRF_FAILURE_VIEW = "mezzotint.desk.guard.csrf_failed"
CSRF_TRUSTED_ORIGINS = [_settings.public_url] if _settings.public_url else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(_settings.public_url and _settings.public_url.startswith("https:"))
if SESSION_COOKIE_SECURE:
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_health_check = find_spec("health_check")
assert _health_check and _health_check.origin
"""used by a view alone: as an app it would be imported by every command, with all that it could check"""

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # what it shows is imported with the urls
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "axes",
    "corsheaders",
    "mezzotint.repository",
    "mezzotint.imagecloud",
    "mezzotint.composites",
    "mezzotint.browse",
    "mezzotint.desk",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "mezzotint.site.headers.Headers",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "mezzotint.site.language.Language",
    "mezzotint.site.headers.Common",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mezzotint.site.reading.ReadingCookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "mezzotint.site.rates.Rated",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "mezzotint.repository.middleware.Durable",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "DIRS": [Path(_health_check.origin).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mezzotint.browse.context.installation",
            ]
        },
    }
]
ROOT_URLCONF = "mezzotint.site.urls"
STATIC_URL = "/static/"

DATABASES = {"default": database(_settings)}
CACHES = {"default": cache(_settings)}
Q_CLUSTER = queue(_settings)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT, AXES_COOLOFF_TIME = 10, timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # nobody can lock out anybody else
AXES_RESET_ON_SUCCESS = AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "mezzotint.site.rates.address"
AXES_LOCKOUT_CALLABLE = "mezzotint.site.rates.locked"
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "/login/", "/desk/", "/"

# scripts of other origins speak for themselves, by a token, and never with somebody's login
_origins = _settings.cors_origins or ()
CORS_URLS_REGEX = r"^/api/(?!docs/)"
CORS_ALLOW_ALL_ORIGINS = "*" in _origins
CORS_ALLOWED_ORIGINS = [one for one in _origins if one != "*"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "tus-resumable", "upload-length", "upload-metadata", "upload-offset",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "location", "retry-after", "tus-extension", "tus-max-size", "tus-resumable", "tus-version", "upload-expires",
    "upload-length", "upload-offset", "x-durable", "x-request-id",
]  # fmt: skip

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 << 20
DATA_UPLOAD_MAX_NUMBER_FILES = 500
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # the admin sends one for each image that is chosen

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mezzotint.repository.api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mezzotint.repository.api.auth.ReadOrWrite"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "mezzotint.repository.api.schema.Schema",
    "EXCEPTION_HANDLER": "mezzotint.repository.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mezzotint",
    "DESCRIPTION": "Images, their metadata, and how they change. Pictures themselves are at `/images/<name>`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,  # files are binary in what is sent
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = logs.config(_settings.log_format, _settings.log_level)
