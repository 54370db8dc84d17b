"""Adapt, then predict, over HTTP: a registry of meta-trained models, and a server that adapts inside a request.

    registry.register(trained.learner(), "mine", recipe, families)      python -m mlcourse train
    python -m mlcourse serve                                            POST /adapt, POST /predict

Read in this order: `servable` (a learner cut in two), `confidence`, `registry`, `lanes` (who computes when),
`store`, `service` (the answers), `app` (HTTP).
"""
