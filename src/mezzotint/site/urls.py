from django.contrib import admin
from django.urls import include, path

from mezzotint.repository.readiness import ready

admin.autodiscover()

urlpatterns = [
    path("", include("mezzotint.browse.urls")),
    path("", include("mezzotint.imagecloud.urls")),
    path("", include("mezzotint.composites.urls")),
    path("api/", include("mezzotint.repository.api.urls")),
    path("admin/", admin.site.urls),
    path("ready", ready),
]

handler404 = "mezzotint.browse.views.not_found"
