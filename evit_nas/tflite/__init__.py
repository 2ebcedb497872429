"""Reading, writing and running .tflite files."""
