"""ncnn model files, read without ncnn."""
