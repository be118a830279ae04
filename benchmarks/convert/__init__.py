"""Converting Keras files to ONNX: kgraph beside Keras on TensorFlow with tf2onnx."""
