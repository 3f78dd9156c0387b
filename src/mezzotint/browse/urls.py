from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from mezzotint.browse import documents, own, views

_LOGIN = {"template_name": "browse/login.html", "redirect_authenticated_user": True}
urlpatterns = [
    path("login/", LoginView.as_view(**_LOGIN), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("own/logo", own.logo, name="logo"),
    path("own/colours.css", own.colours, name="colours"),
    path("", views.front, name="front"),
    path("image/<str:ident>/", views.image, name="image"),
    path("collection/", views.collections, name="collections"),
    path("collection/<str:slug>/document.pdf", documents.DocumentView.as_view(), name="document"),
    path("collection/<str:slug>/read/", views.reading, name="reading"),
    path("collection/<str:slug>/", views.collection, name="collection"),
]
