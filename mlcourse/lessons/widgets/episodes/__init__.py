"""`EpisodeBrowser`: leaf through few-shot tasks, and be the learner."""
