"""`DrawOnce`: draw symbols once each; a network recognises the next, in the page itself."""
