from django.contrib import admin
from django.urls import include, path

from mezzotint.repository.api import manifests, oai
from mezzotint.repository.readiness import ready

admin.autodiscover()

urlpatterns = [
    path("", include("mezzotint.browse.urls")),
    path("desk/", include("mezzotint.desk.urls")),
    path("", include("mezzotint.imagecloud.urls")),
    path("", include("mezzotint.composites.urls")),
    path("api/", include("mezzotint.repository.api.urls")),
    path("iiif/presentation/3/images/<str:ident>/manifest.json", manifests.ImageManifestView.as_view()),
    path("iiif/presentation/3/collections/<str:slug>/manifest.json", manifests.CollectionManifestView.as_view()),
    path("iiif/presentation/3/collection.json", manifests.CollectionsManifestView.as_view()),
    path("iiif/discovery/activity.json", manifests.ActivitiesView.as_view()),
    path("iiif/discovery/activity/<int:number>.json", manifests.ActivityPageView.as_view()),
    path("oai", oai.OaiView.as_view()),
    path("admin/", admin.site.urls),
    path("ready", ready),
]

handler404 = "mezzotint.browse.views.not_found"
