"""What is learnt from normal data: samples, tasks, encoders and the training loop."""
