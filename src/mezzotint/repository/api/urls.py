from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from mezzotint.repository.api import views

urlpatterns = [
    path("sessions/", views.SessionsView.as_view()),
    path("sessions/<uuid:pk>/", views.SessionView.as_view()),
    path("sessions/<uuid:pk>/images/", views.SessionImagesView.as_view()),
    path("sessions/<uuid:pk>/images/<str:ident>/", views.SessionImageView.as_view()),
    path("sessions/<uuid:pk>/collections/<str:slug>/", views.SessionCollectionView.as_view()),
    path("sessions/<uuid:pk>/commit/", views.SessionCommitView.as_view()),
    path("images/", views.ImagesView.as_view()),
    path("images/<str:ident>/", views.ImageView.as_view()),
    path("collections/", views.CollectionsView.as_view()),
    path("collections/<str:slug>/", views.CollectionView.as_view()),
    path("commits/", views.CommitsView.as_view()),
    path("status/", views.StatusView.as_view()),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
