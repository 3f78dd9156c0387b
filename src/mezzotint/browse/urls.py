from django.urls import path

from mezzotint.browse import views

urlpatterns = [
    path("", views.front, name="front"),
    path("image/<str:ident>/", views.image, name="image"),
    path("collection/", views.collections, name="collections"),
    path("collection/<str:slug>/read/", views.reading, name="reading"),
    path("collection/<str:slug>/", views.collection, name="collection"),
]
