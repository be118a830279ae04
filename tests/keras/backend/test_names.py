"""K has what programs written for Keras 2.3 ask of it."""

from __future__ import annotations

import inspect

import pytest

from kgraph.keras import backend as K

# name(arguments) of keras.backend 2.3.
API = """
abs(x) all(x,axis,keepdims) any(x,axis,keepdims) argmax(x,axis) argmin(x,axis) backend() batch_dot(x,y,axes)
batch_flatten(x) batch_get_value(ops) batch_normalization(x,mean,var,beta,gamma,axis,epsilon) batch_set_value(tuples)
bias_add(x,bias,data_format) binary_crossentropy(target,output,from_logits) cast(x,dtype) cast_to_floatx(x)
categorical_crossentropy(target,output,from_logits,axis) clear_session() clip(x,min_value,max_value)
concatenate(tensors,axis) constant(value,dtype,shape,name) control_dependencies(control_inputs) cos(x) count_params(x)
ctc_batch_cost(y_true,y_pred,input_length,label_length)
ctc_decode(y_pred,input_length,greedy,beam_width,top_paths,merge_repeated)
ctc_label_dense_to_sparse(labels,label_lengths)
cumprod(x,axis) cumsum(x,axis) dot(x,y) dtype(x) eager(func) elu(x,alpha) epsilon() equal(x,y) eval(x) exp(x)
expand_dims(x,axis) eye(size,dtype,name) flatten(x) floatx() function(inputs,outputs,updates) gather(reference,indices)
get_session() get_uid(prefix) get_value(x) gradients(loss,variables) greater(x,y) greater_equal(x,y) hard_sigmoid(x)
identity(x,name) image_data_format() in_test_phase(x,alt,training) in_top_k(predictions,targets,k)
in_train_phase(x,alt,training) int_shape(x) is_keras_tensor(x) is_placeholder(x) is_sparse(tensor) is_tensor(x)
is_variable(x) l2_normalize(x,axis) learning_phase() less(x,y) less_equal(x,y) log(x) logsumexp(x,axis,keepdims)
max(x,axis,keepdims) maximum(x,y) mean(x,axis,keepdims) min(x,axis,keepdims) minimum(x,y)
moving_average_update(x,value,momentum) ndim(x) normalize_batch_in_training(x,gamma,beta,reduction_axes,epsilon)
normalize_data_format(value) not_equal(x,y) one_hot(indices,num_classes) ones(shape,dtype,name) ones_like(x,dtype,name)
permute_dimensions(x,pattern) placeholder(shape,ndim,dtype,sparse,name) pow(x,a) print_tensor(x,message)
prod(x,axis,keepdims) relu(x,alpha,max_value,threshold) repeat(x,n) repeat_elements(x,rep,axis) reset_uids()
reshape(x,shape) resize_images(x,height_factor,width_factor,data_format,interpolation)
resize_volumes(x,depth_factor,height_factor,width_factor,data_format) reverse(x,axes) round(x) set_epsilon(e)
set_floatx(floatx) set_image_data_format(data_format) set_learning_phase(value) set_session(session)
set_value(x,value) shape(x) sigmoid(x)
sign(x) sin(x) size(x,name) slice(x,start,size) softmax(x,axis) softplus(x) softsign(x)
sparse_categorical_crossentropy(target,output,from_logits,axis) spatial_2d_padding(x,padding,data_format)
spatial_3d_padding(x,padding,data_format) sqrt(x) square(x) squeeze(x,axis) stack(x,axis) std(x,axis,keepdims)
stop_gradient(variables) sum(x,axis,keepdims) switch(condition,then_expression,else_expression) symbolic(func) tanh(x)
temporal_padding(x,padding) arange(start,stop,step,dtype) conv1d(x,kernel,strides,padding,data_format,dilation_rate)
conv2d(x,kernel,strides,padding,data_format,dilation_rate) conv3d(x,kernel,strides,padding,data_format,dilation_rate)
conv2d_transpose(x,kernel,output_shape,strides,padding,data_format,dilation_rate)
conv3d_transpose(x,kernel,output_shape,strides,padding,data_format)
depthwise_conv2d(x,depthwise_kernel,strides,padding,data_format,dilation_rate)
separable_conv1d(x,depthwise_kernel,pointwise_kernel,strides,padding,data_format,dilation_rate)
separable_conv2d(x,depthwise_kernel,pointwise_kernel,strides,padding,data_format,dilation_rate)
pool2d(x,pool_size,strides,padding,data_format,pool_mode) pool3d(x,pool_size,strides,padding,data_format,pool_mode)
local_conv1d(inputs,kernel,kernel_size,strides,data_format)
local_conv2d(inputs,kernel,kernel_size,strides,output_shape,data_format) dropout(x,level,noise_shape,seed)
random_normal(shape,mean,stddev,dtype,seed) random_uniform(shape,minval,maxval,dtype,seed)
random_binomial(shape,p,dtype,seed) truncated_normal(shape,mean,stddev,dtype,seed)
random_normal_variable(shape,mean,scale,dtype,name,seed) random_uniform_variable(shape,low,high,dtype,name,seed)
rnn(step_function,inputs,initial_states,go_backwards,mask,constants,unroll,input_length) map_fn(fn,elems,name,dtype)
foldl(fn,elems,initializer,name) foldr(fn,elems,initializer,name) manual_variable_initialization(value)
tile(x,n) to_dense(tensor) transpose(x) update(x,new_x) update_add(x,increment)
update_sub(x,decrement) var(x,axis,keepdims) variable(value,dtype,name,constraint) zeros(shape,dtype,name)
zeros_like(x,dtype,name)
"""


@pytest.mark.parametrize("entry", API.split())
def test_k_has_the_functions_of_keras_with_their_arguments_in_order(entry: str) -> None:
    name, _, arguments = entry.rstrip(")").partition("(")
    expected = [argument for argument in arguments.split(",") if argument]
    signature = inspect.signature(getattr(K, name))
    named = [p for p, entry in signature.parameters.items() if entry.kind is not entry.VAR_KEYWORD]
    assert named == expected
    assert name in K.__all__
