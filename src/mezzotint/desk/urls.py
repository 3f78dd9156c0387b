from django.urls import path

from mezzotint.desk import collections, describing, doing, history, removing, sessions, spreadsheets, tokens

urlpatterns = [
    path("", sessions.home, name="desk"),
    path("doing/", doing.doing, name="desk-doing"),
    path("doing/<str:name>/again/", doing.try_again, name="desk-try-again"),
    path("sessions/", sessions.begin, name="desk-begin"),
    path("sessions/<uuid:pk>/", sessions.session, name="desk-session"),
    path("sessions/<uuid:pk>/files/", sessions.put_in, name="desk-files"),
    path("sessions/<uuid:pk>/commit/", sessions.finish, name="desk-commit"),
    path("sessions/<uuid:pk>/abort/", sessions.abort, name="desk-abort"),
    path("sessions/<uuid:pk>/many/", describing.many, name="desk-many"),
    path("sessions/<uuid:pk>/images/<str:ident>/", describing.one, name="desk-draft"),
    path("images/", describing.images, name="desk-images"),
    path("images/many/", describing.many_live, name="desk-images-many"),
    path("images/<str:ident>/", describing.live, name="desk-image"),
    path("images/<str:ident>/remove/", removing.remove, name="desk-remove"),
    path("images/<str:ident>/history/", history.of_image, name="desk-image-history"),
    path("images/<str:ident>/history/<int:seq>/", history.set_back, name="desk-set-back"),
    path("commits/<int:seq>/", history.made, name="desk-commit-made"),
    path("commits/<int:seq>/undo/", history.undo, name="desk-undo"),
    path("removed/", removing.removed, name="desk-removed"),
    path("removed/<str:ident>/", removing.bring_back, name="desk-bring-back"),
    path("spreadsheet/", spreadsheets.spreadsheet, name="desk-spreadsheet"),
    path("tokens/", tokens.tokens, name="desk-tokens"),
    path("tokens/revoke/", tokens.revoke, name="desk-tokens-revoke"),
    path("collections/", collections.collections, name="desk-collections"),
    path("collections/<str:slug>/", collections.collection, name="desk-collection"),
    path("collections/<str:slug>/history/", history.of_collection, name="desk-collection-history"),
    path("collections/<str:slug>/remove/", collections.remove, name="desk-collection-remove"),
]
