"""The stages from a folder of video or pictures to what is learnt from, one module each."""
