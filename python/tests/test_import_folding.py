"""What folding makes of ONNX's backend tests means the same: lpu-translate --emit-folded-onnx, run by onnxruntime."""

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(onnx.__file__).parent / "backend/test/data/node"

# Operators that are functions, control flow, sequences; the inputs that are fixed, by position.
EXPANDED = {
    "affine_grid_2d": [1], "center_crop_pad_crop_and_pad": [1], "celu": [], "clip_default_min": [],
    "elu": [], "gelu_tanh_2": [], "group_normalization_epsilon": [], "hannwindow": [0],
    "if": [], "if_seq": [], "layer_normalization_3d_axis1_epsilon": [], "logsoftmax_axis_1": [],
    "loop11": [0, 1], "loop13_seq": [0, 1], "loop16_seq_none": [0, 1], "mvn": [], "nllloss_NCd1_weight_ii": [],
    "optional_get_element_optional_sequence": [], "range_float_type_positive_delta_expanded": [0, 1, 2],
    "attention_4d_gqa_with_past_and_present_fp16_expanded": [], "reduce_log_sum_exp_keepdims_random": [1],
    "sce_mean_weight_ii_4d": [], "scan9_sum": [], "scan9_multi_state": [], "sequence_insert_at_front": [2],
    "sequence_map_add_1_sequence_1_tensor": [], "sequence_map_extract_shapes": [],
    "split_to_sequence_nokeepdims": [1], "thresholdedrelu": [],
}
# All inputs are fixed: the folded model is constants.
EVALUATED = [
    "add_bcast", "and_bcast4v2d", "bitwise_and_i32_2d", "cast_FLOAT_to_FLOAT16", "clip_default_int8_min_expanded",
    "concat_2d_axis_negative_1", "constantofshape_int_zeros", "cumsum_2d_axis_1", "div_int8", "equal_bcast",
    "expand_dim_changed", "eyelike_with_dtype", "flatten_negative_axis1", "floor", "gather_elements_negative_indices",
    "gather_negative_indices", "greater_equal_bcast", "isnan", "max_int64", "min_two_inputs", "mod_mixed_sign_int32",
    "mod_int64_fmod", "mul_bcast", "neg", "nonzero_example", "not_2d", "pow_types_int64_int64", "range_int32_type_negative_delta",
    "reduce_max_do_not_keepdims_random", "reduce_mean_default_axes_keepdims_random", "reduce_prod_keepdims_random",
    "reduce_sum_empty_axes_input_noop", "reshape_zero_and_negative_dim", "round", "scatter_elements_with_negative_indices",
    "shape_start_negative_1", "sign", "size", "slice_neg_steps", "slice_end_out_of_bounds", "split_variable_parts_2d_opset18",
    "sqrt", "squeeze_negative_axes", "sub_uint8", "tile", "transpose_all_permutations_4", "tril_neg", "triu_pos",
    "unsqueeze_unsorted_axes", "where_long_example", "xor4d",
]


def read(path, value_type):
    content = path.read_bytes()
    if value_type.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if value_type.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def as_tensors(name, value_type, value):
    """Tensors of the folded model by name: a sequence is one for each element."""
    if value is None:
        return {}
    if isinstance(value, list):
        return {f"{name}[{i}]": item for i, item in enumerate(value)}
    return {name: value}


def fold(test, tmp_path, is_fixed):
    """The folded model of a backend test, and the inputs that it has left."""
    folder = DATA / f"test_{test}"
    model = onnx.load(folder / "model.onnx")
    options, feeds = [], {}
    for i, info in enumerate(model.graph.input):
        value = read(folder / f"test_data_set_0/input_{i}.pb", info.type)
        if is_fixed(i):
            np.save(tmp_path / f"{i}.npy", value)
            options.append(f"--input-value={info.name}={tmp_path / f'{i}.npy'}")
            continue
        tensors = as_tensors(info.name, info.type, value)
        feeds.update(tensors)
        shapes = "".join(str(list(tensor.shape)).replace(" ", "") for tensor in tensors.values())
        options.append(f"--input-shape={info.name}={shapes}")
    path = tmp_path / "folded.onnx"
    command = [ROOT / "build/bin/lpu-translate", "--import-onnx", "--expand-functions", folder / "model.onnx",
               "-o", tmp_path / "m.mlir", f"--emit-folded-onnx={path}", *options]
    subprocess.run(command, check=True)
    return onnx.load(path), feeds


def check_outputs(test, folded, feeds):
    folder = DATA / f"test_{test}"
    session = onnxruntime.InferenceSession(folded.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    needed = {info.name for info in session.get_inputs()}
    got = dict(zip(names, session.run(names, {name: feeds[name] for name in feeds if name in needed})))
    expected = {}
    for i, info in enumerate(onnx.load(folder / "model.onnx").graph.output):
        expected.update(as_tensors(info.name, info.type, read(folder / f"test_data_set_0/output_{i}.pb", info.type)))
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_allclose(got[name], value, rtol=1e-3, atol=1e-6)


def at_least_opset_18(model):
    """onnxruntime takes the body of a function for the model's own operator set where that is older."""
    if max(opset.version for opset in model.opset_import if opset.domain == "") >= 13:
        return model
    for opsets in [model.opset_import, *(function.opset_import for function in model.functions)]:
        for opset in opsets:
            opset.version = max(opset.version, 18) if opset.domain == "" else opset.version
    return model


@pytest.mark.parametrize("test", EXPANDED)
def test_folded_model_means_the_same(test, tmp_path):
    folded, feeds = fold(test, tmp_path, lambda i: i in EXPANDED[test])
    operators = {node.op_type for node in folded.graph.node if node.domain == ""}
    assert not any(re.match("If|Loop|Scan|Shape|Size|Range|Constant|Sequence|Optional", name) for name in operators)
    check_outputs(test, at_least_opset_18(folded), feeds)


@pytest.mark.parametrize("test", EVALUATED)
def test_constants_are_evaluated(test, tmp_path):
    folded, feeds = fold(test, tmp_path, lambda i: True)
    assert {node.op_type for node in folded.graph.node} <= {"Identity"} and len(folded.graph.input) == 0
    assert all(node.input[0] in {tensor.name for tensor in folded.graph.initializer} for node in folded.graph.node)
    check_outputs(test, folded, feeds)


def test_inputs_with_initializers_are_constants(tmp_path):
    """Also where folding leaves no use of them."""
    path = DATA.parent / "simple/test_sequence_model1/model.onnx"
    assert [info.name for info in onnx.load(path).graph.input] == ["X", "Y", "Z", "pos", "pos_at"]
    command = [ROOT / "build/bin/lpu-translate", "--import-onnx", path, "-o", tmp_path / "m.mlir",
               f"--emit-folded-onnx={tmp_path / 'folded.onnx'}"]
    subprocess.run(command, check=True)
    assert [info.name for info in onnx.load(tmp_path / "folded.onnx").graph.input] == ["X", "Y", "Z"]
