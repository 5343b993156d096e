"""Your own footage: a model is learnt from normal video and watches new video as it comes."""
