from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from mezzotint.repository.api import exports, history, images, past, resumable, schema, sessions  # noqa: F401  schema registers itself

_READING = ["get", "head"]
urlpatterns = [
    path("sessions/", sessions.SessionsView.as_view()),
    path("sessions/<uuid:pk>/", sessions.SessionView.as_view()),
    path("sessions/<uuid:pk>/images/", sessions.SessionImagesView.as_view()),
    path("sessions/<uuid:pk>/images/<str:ident>/", sessions.SessionImageView.as_view()),
    path("sessions/<uuid:pk>/uploads/", resumable.UploadsView.as_view()),
    path("sessions/<uuid:pk>/uploads/<uuid:upload>/", resumable.UploadView.as_view()),
    path("sessions/<uuid:pk>/collections/<str:slug>/", sessions.SessionCollectionView.as_view()),
    path("sessions/<uuid:pk>/collections/<str:slug>/members/", sessions.SessionMembersView.as_view()),
    path("sessions/<uuid:pk>/commit/", sessions.SessionCommitView.as_view()),
    path("images/", images.ImagesView.as_view()),
    path("images/<str:ident>/", images.ImageView.as_view()),
    path("images/<str:ident>/history/", past.ImageHistoryView.as_view()),
    path("collections/", images.CollectionsView.as_view()),
    path("collections/<str:slug>/", images.CollectionView.as_view()),
    path("collections/<str:slug>/members/", images.MembersView.as_view()),
    path("collections/<str:slug>/history/", past.CollectionHistoryView.as_view()),
    path("export/", exports.ExportView.as_view()),
    path("commits/", history.CommitsView.as_view()),
    path("commits/<int:seq>/undo/", past.UndoView.as_view()),
    path("removals/", history.RemovalsView.as_view()),
    path("removals/<str:ident>/restore/", history.BringBackView.as_view()),
    path("snapshots/", history.SnapshotsView.as_view()),
    path("snapshots/<uuid:pk>/", history.SnapshotView.as_view()),
    path("status/", history.StatusView.as_view()),
    path("schema/", SpectacularAPIView.as_view(http_method_names=_READING), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=_READING), name="docs"),
]
