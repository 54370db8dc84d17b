"""`MetaTrain`: meta-train MAML and pooled training in the browser, then adapt what was trained."""
