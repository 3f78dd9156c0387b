from django.urls import path

from mezzotint.imagecloud import api

urlpatterns = [
    path("delete_image", api.DeleteView.as_view()),
    path("fire_and_forget", api.FireAndForgetView.as_view()),
    path("fire_and_forget/batches/<uuid:pk>", api.BatchView.as_view()),
    path("alternative_clouds", api.PeersView.as_view()),
]
