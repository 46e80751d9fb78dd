"""Every layer and loss: repr, state, shape, output and gradient, against values recorded from PyTorch 2.13."""

import math
import warnings

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.nn.utils import rnn

SAME = None  # the repr is the expression itself

# Expression, repr ("" where it has several lines), state keys, input shapes, output shape, and the checksums of the
# output and of the first input's gradient: parameters and inputs are ramps, the module is in eval mode.
LAYERS = [
    ("Identity()", SAME, "", "4x6", "4x6", -0.19077, 11.467),
    ("Linear(6, 3)", "Linear(in_features=6, out_features=3, bias=True)", "weight bias", "4x6", "4x3", -6.2011, 0.2959),
    ("Linear(6, 3, bias=False)", "Linear(in_features=6, out_features=3, bias=False)", "weight", "4x6", "4x3", -6.1223, 0.2959),
    ("Bilinear(6, 5, 3)", "Bilinear(in1_features=6, in2_features=5, out_features=3, bias=True)", "weight bias", "4x6 4x5", "4x3", 2.7333, 7.3482),
    ("ReLU()", SAME, "", "4x6", "4x6", -1.0035, 5.854),
    ("ReLU(inplace=True)", SAME, "", "4x6", "4x6", -1.0035, 5.854),
    ("ReLU6()", SAME, "", "4x6", "4x6", -1.0035, 5.854),
    ("LeakyReLU(0.2)", "LeakyReLU(negative_slope=0.2)", "", "4x6", "4x6", -0.84096, 6.9766),
    ("ELU()", "ELU(alpha=1.0)", "", "4x6", "4x6", -0.52875, 8.9486),
    ("CELU(0.5)", "CELU(alpha=0.5)", "", "4x6", "4x6", -0.70768, 7.6943),
    ("SELU()", SAME, "", "4x6", "4x6", -0.21971, 11.591),
    ("GELU()", "GELU(approximate='none')", "", "4x6", "4x6", -0.77985, 5.7238),
    ('GELU("tanh")', "GELU(approximate='tanh')", "", "4x6", "4x6", -0.77954, 5.7239),
    ("SiLU()", SAME, "", "4x6", "4x6", -0.55865, 5.7211),
    ("Mish()", SAME, "", "4x6", "4x6", -0.67549, 6.6238),
    ("Hardswish()", SAME, "", "4x6", "4x6", -0.42938, 5.7202),
    ("Hardsigmoid()", SAME, "", "4x6", "4x6", -0.59016, 1.9111),
    ("Hardtanh(-0.5, 0.5)", "Hardtanh(min_val=-0.5, max_val=0.5)", "", "4x6", "4x6", -0.12529, 5.0739),
    ("Hardshrink()", "Hardshrink(0.5)", "", "4x6", "4x6", -0.1704, 6.3927),
    ("Softshrink()", "Softshrink(0.5)", "", "4x6", "4x6", -0.065486, 6.3927),
    ("Softplus()", "Softplus(beta=1.0, threshold=20.0)", "", "4x6", "4x6", -1.1102, 5.7255),
    ("Softsign()", SAME, "", "4x6", "4x6", -0.10725, 4.839),
    ("Tanhshrink()", SAME, "", "4x6", "4x6", -0.032806, 3.5685),
    ("Threshold(0.1, 2.0)", "Threshold(threshold=0.1, value=2.0)", "", "4x6", "4x6", -1.8312, 5.854),
    ("LogSigmoid()", SAME, "", "4x6", "4x6", 0.91946, 5.7412),
    ("PReLU()", "PReLU(num_parameters=1)", "weight", "4x6", "4x6", -0.71841, 7.8228),
    ("RReLU()", "RReLU(lower=0.125, upper=0.3333333333333333)", "", "4x6", "4x6", -0.81725, 7.1403),
    ("GLU()", "GLU(dim=-1)", "", "4x6", "4x3", -1.5423, 0.03582),
    ("Sigmoid()", SAME, "", "4x6", "4x6", -0.60358, 2.5735),
    ("Tanh()", SAME, "", "4x6", "4x6", -0.15797, 7.8981),
    ("Softmax(dim=1)", SAME, "", "4x6", "4x6", -0.099134, 1.7539),
    ("LogSoftmax(dim=1)", SAME, "", "4x6", "4x6", 1.9513, 11.44),
    ("Softmin(dim=0)", SAME, "", "4x6", "4x6", -0.16521, -0.28461),
    ("Softmax2d()", SAME, "", "2x4x5x5", "2x4x5x5", -0.24115, 0.45064),
    ("Conv1d(4, 6, 3, padding=1)", "Conv1d(4, 6, kernel_size=(3,), stride=(1,), padding=(1,))", "weight bias", "2x4x9", "2x6x9", 0.97258, 0.04734),
    ("Conv2d(4, 6, 3)", "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))", "weight bias", "2x4x7x8", "2x6x5x6", -4.7736, 34.601),
    ("Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2, bias=False)", "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), dilation=(2, 2), groups=2, bias=False)", "weight", "2x4x7x8", "2x6x3x3", 2.6259, -1.5269),
    ('Conv2d(4, 6, 3, padding="same", padding_mode="reflect")', "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=same, padding_mode=reflect)", "weight bias", "2x4x7x8", "2x6x7x8", 1.2391, -175.39),
    ("Conv3d(4, 2, 2)", "Conv3d(4, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))", "weight bias", "1x4x4x5x6", "1x2x3x4x5", -1.1523, 20.972),
    ("ConvTranspose1d(4, 6, 3, stride=2)", "ConvTranspose1d(4, 6, kernel_size=(3,), stride=(2,))", "weight bias", "2x4x5", "2x6x11", 0.15461, 0.75941),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1)", "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))", "weight bias", "2x4x5x5", "2x6x10x10", 17.116, 1.6215),
    ("ConvTranspose3d(4, 2, 2)", "ConvTranspose3d(4, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))", "weight bias", "1x4x3x3x3", "1x2x4x4x4", 0.59092, -16.807),
    ("MaxPool1d(2)", "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)", "", "2x4x9", "2x4x4", 1.1185, 1.6023),
    ("MaxPool2d(2)", "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)", "", "2x4x7x8", "2x4x3x4", 0.60193, -5.5606),
    ("MaxPool2d(3, stride=2, padding=1, ceil_mode=True)", "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True)", "", "2x4x7x8", "2x4x4x5", -0.079767, -4.2039),
    ("MaxPool3d(2)", "MaxPool3d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)", "", "1x2x4x5x6", "1x2x2x2x3", -0.90584, 5.4482),
    ("AvgPool1d(3)", "AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))", "", "2x4x9", "2x4x3", -0.16981, -0.24637),
    ("AvgPool2d(2, padding=1, count_include_pad=False)", "AvgPool2d(kernel_size=2, stride=2, padding=1)", "", "2x4x7x8", "2x4x4x5", 0.11506, -1.0573),
    ("AvgPool3d(2)", "AvgPool3d(kernel_size=2, stride=2, padding=0)", "", "1x2x4x5x6", "1x2x2x2x3", 0.051124, 0.071967),
    ("AdaptiveAvgPool1d(3)", "AdaptiveAvgPool1d(output_size=3)", "", "2x4x8", "2x4x3", -0.16874, 0.18356),
    ("AdaptiveAvgPool2d((3, None))", "AdaptiveAvgPool2d(output_size=(3, None))", "", "2x4x7x8", "2x4x3x8", -0.53182, 1.0379),
    ("AdaptiveMaxPool2d(2)", "AdaptiveMaxPool2d(output_size=2)", "", "2x4x7x8", "2x4x2x2", 0.61086, -1.7073),
    ("LPPool2d(2, 2)", "LPPool2d(norm_type=2, kernel_size=2, stride=None, ceil_mode=False)", "", "2x4x6x6", "2x4x3x3", -1.1498, 0.48646),
    ("ConstantPad1d(2, 3.5)", "ConstantPad1d(padding=(2, 2), value=3.5)", "", "2x4x5", "2x4x9", -2.3395, 1.1651),
    ("ReflectionPad2d((1, 2, 0, 1))", SAME, "", "2x4x5x5", "2x4x6x8", 2.5804, 3.4267),
    ("ReplicationPad3d(1)", "ReplicationPad3d((1, 1, 1, 1, 1, 1))", "", "1x2x3x3x3", "1x2x5x5x5", -1.3218, -0.12696),
    ("CircularPad2d(1)", "CircularPad2d((1, 1, 1, 1))", "", "2x4x5x5", "2x4x7x7", -2.4068, 0.62285),
    ("ZeroPad2d(1)", "ZeroPad2d((1, 1, 1, 1))", "", "2x4x5x5", "2x4x7x7", 3.0475, -1.1799),
    ("BatchNorm1d(6)", "BatchNorm1d(6, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)", "weight bias running_mean running_var num_batches_tracked", "4x6", "4x6", -4.0137, 0.47318),
    ("BatchNorm2d(4, momentum=None)", "BatchNorm2d(4, eps=1e-05, momentum=None, affine=True, bias=True, track_running_stats=True)", "weight bias running_mean running_var num_batches_tracked", "2x4x5x5", "2x4x5x5", 0.9861, -8.1219),
    ("BatchNorm3d(4, affine=False, track_running_stats=False)", "BatchNorm3d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)", "", "1x4x3x3x3", "1x4x3x3x3", -0.72979, 118.86),
    ("InstanceNorm2d(4, affine=True)", "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=False)", "weight bias", "2x4x5x5", "2x4x5x5", 2.823, -15.346),
    ("LayerNorm(6)", "LayerNorm((6,), eps=1e-05, elementwise_affine=True, bias=True)", "weight bias", "4x6", "4x6", -4.4248, 0.16644),
    ("LayerNorm([5, 5], elementwise_affine=False)", "LayerNorm((5, 5), eps=1e-05, elementwise_affine=False, bias=False)", "", "2x4x5x5", "2x4x5x5", -0.030128, 331.32),
    ("GroupNorm(2, 4)", "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)", "weight bias", "2x4x5x5", "2x4x5x5", 1.3381, -18.472),
    ("RMSNorm(6)", "RMSNorm((6,), eps=None, elementwise_affine=True)", "weight", "4x6", "4x6", -0.81249, -0.36801),
    ("LocalResponseNorm(2)", "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)", "", "2x4x5x5", "2x4x5x5", -0.039753, 99.476),
    ("Flatten()", "Flatten(start_dim=1, end_dim=-1)", "", "2x4x5x5", "2x100", -0.039767, 99.482),
    ("Unflatten(1, (2, 3))", "Unflatten(dim=1, unflattened_size=(2, 3))", "", "4x6", "4x2x3", -0.19077, 11.467),
    ("PixelShuffle(2)", "PixelShuffle(upscale_factor=2)", "", "2x4x3x3", "2x1x6x6", -0.37064, 4.3408),
    ("PixelUnshuffle(2)", "PixelUnshuffle(downscale_factor=2)", "", "2x1x4x6", "2x4x2x3", 6.174, -3.0785),
    ("ChannelShuffle(2)", "ChannelShuffle(groups=2)", "", "2x4x3x3", "2x4x3x3", 4.4897, 1.665),
    ("Fold((4, 5), 2)", "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)", "", "2x8x12", "2x2x4x5", 0.23492, 5.5398),
    ("Unfold(3, padding=1)", "Unfold(kernel_size=3, dilation=1, padding=1, stride=1)", "", "2x2x4x5", "2x18x20", -4.759, 10.154),
    ("Upsample(scale_factor=2.0)", "Upsample(scale_factor=2.0, mode='nearest')", "", "2x2x3x4", "2x2x6x8", 0.39315, -1.8952),
    ('Upsample(size=(5, 3), mode="bilinear", align_corners=True)', "Upsample(size=(5, 3), mode='bilinear')", "", "2x2x3x4", "2x2x5x3", 1.3379, 0.094741),
    ('Upsample(scale_factor=1.5, mode="bicubic")', "Upsample(scale_factor=1.5, mode='bicubic')", "", "2x2x4x4", "2x2x6x6", 0.58864, -1.9944),
    ("UpsamplingNearest2d(scale_factor=2)", "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')", "", "2x2x3x4", "2x2x6x8", 0.39315, -1.8952),
    ("PairwiseDistance()", SAME, "", "4x6 4x6", "4", -1.6683, -0.71831),
    ("CosineSimilarity()", SAME, "", "4x6 4x6", "4", -1.2366, -0.047318),
    ("Dropout(0.3)", "Dropout(p=0.3, inplace=False)", "", "4x6", "4x6", -0.19077, 11.467),
    ("Dropout2d()", "Dropout2d(p=0.5, inplace=False)", "", "2x4x5x5", "2x4x5x5", -0.039767, 99.482),
    ("AlphaDropout()", "AlphaDropout(p=0.5, inplace=False)", "", "4x6", "4x6", -0.19077, 11.467),
    ("RNN(6, 5)", SAME, "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0", "7x3x6", "7x3x5", -3.203, -5.6584),
    ('RNN(6, 5, nonlinearity="relu", bias=False)', "RNN(6, 5, bias=False)", "weight_ih_l0 weight_hh_l0", "7x3x6", "7x3x5", -7.3034, 4.285),
    ("LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)", SAME, "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 weight_ih_l0_reverse weight_hh_l0_reverse bias_ih_l0_reverse bias_hh_l0_reverse weight_ih_l1 weight_hh_l1 bias_ih_l1 bias_hh_l1 weight_ih_l1_reverse weight_hh_l1_reverse bias_ih_l1_reverse bias_hh_l1_reverse", "3x7x6", "3x7x10", 1.8323, 0.094622),
    ("LSTM(6, 5, proj_size=3)", SAME, "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 weight_hr_l0", "7x6", "7x3", -0.2172, -0.11217),
    ("GRU(6, 5, 2)", "GRU(6, 5, num_layers=2)", "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 weight_ih_l1 weight_hh_l1 bias_ih_l1 bias_hh_l1", "7x3x6", "7x3x5", 0.20702, 0.073945),
    ("RNNCell(6, 5)", SAME, "weight_ih weight_hh bias_ih bias_hh", "4x6", "4x5", 0.32166, -0.94624),
    ("LSTMCell(6, 5)", SAME, "weight_ih weight_hh bias_ih bias_hh", "4x6", "4x5", 0.66703, 0.074385),
    ("GRUCell(6, 5, bias=False)", SAME, "weight_ih weight_hh", "6", "5", 0.10095, 0.12839),
    ("MultiheadAttention(6, 2)", "", "in_proj_weight in_proj_bias out_proj.weight out_proj.bias", "5x3x6 4x3x6 4x3x6", "5x3x6", 6.417, 52.432),
    ("TransformerEncoderLayer(6, 2, 8)", "", "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias", "5x3x6", "5x3x6", -8.575, 2.3424),
    ('TransformerEncoderLayer(6, 2, 8, norm_first=True, activation="gelu")', "", "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias", "5x3x6", "5x3x6", -117.16, 405.29),
    ("TransformerDecoderLayer(6, 2, 8)", "", "self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias multihead_attn.in_proj_weight multihead_attn.in_proj_bias multihead_attn.out_proj.weight multihead_attn.out_proj.bias linear1.weight linear1.bias linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias norm3.weight norm3.bias", "5x3x6 4x3x6", "5x3x6", -7.1437, -0.80321),
    ("Transformer(6, 2, 1, 1, 8)", "", "encoder.layers.0.self_attn.in_proj_weight encoder.layers.0.self_attn.in_proj_bias encoder.layers.0.self_attn.out_proj.weight encoder.layers.0.self_attn.out_proj.bias encoder.layers.0.linear1.weight encoder.layers.0.linear1.bias encoder.layers.0.linear2.weight encoder.layers.0.linear2.bias encoder.layers.0.norm1.weight encoder.layers.0.norm1.bias encoder.layers.0.norm2.weight encoder.layers.0.norm2.bias encoder.norm.weight encoder.norm.bias decoder.layers.0.self_attn.in_proj_weight decoder.layers.0.self_attn.in_proj_bias decoder.layers.0.self_attn.out_proj.weight decoder.layers.0.self_attn.out_proj.bias decoder.layers.0.multihead_attn.in_proj_weight decoder.layers.0.multihead_attn.in_proj_bias decoder.layers.0.multihead_attn.out_proj.weight decoder.layers.0.multihead_attn.out_proj.bias decoder.layers.0.linear1.weight decoder.layers.0.linear1.bias decoder.layers.0.linear2.weight decoder.layers.0.linear2.bias decoder.layers.0.norm1.weight decoder.layers.0.norm1.bias decoder.layers.0.norm2.weight decoder.layers.0.norm2.bias decoder.layers.0.norm3.weight decoder.layers.0.norm3.bias decoder.norm.weight decoder.norm.bias", "5x3x6 4x3x6", "4x3x6", -20.711, -0.00027007),
]  # fmt: skip

# Expression, arguments (see `loss_arguments`), sum of the result.
LOSSES = [
    ("L1Loss()", "r", 0.79702),
    ('L1Loss(reduction="sum")', "r", 9.5642),
    ("MSELoss()", "r", 1.03),
    ('MSELoss(reduction="none")', "r", 12.36),
    ("SmoothL1Loss(beta=0.5)", "r", 0.59308),
    ("HuberLoss(delta=0.5)", "r", 0.29654),
    ("NLLLoss()", "c", -0.087262),
    ("NLLLoss(weight=WEIGHT, ignore_index=1)", "c", 0.066979),
    ("CrossEntropyLoss()", "c", 1.1632),
    ("CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.1)", "c", 0.97948),
    ("CrossEntropyLoss()", "p", 1.3677),
    ("BCELoss()", "pp", 1.0138),
    ("BCELoss(weight=WEIGHT)", "pp", 2.3788),
    ("BCEWithLogitsLoss(pos_weight=WEIGHT)", "p", 1.0893),
    ('KLDivLoss(reduction="batchmean")', "p", -0.57053),
    ("PoissonNLLLoss(full=True)", "p", 1.2546),
    ("GaussianNLLLoss()", "rv", 1.3483),
    ("HingeEmbeddingLoss()", "s", 0.66667),
    ("MarginRankingLoss(margin=0.1)", "rs", 0.8221),
    ("CosineEmbeddingLoss()", "r1", 0.51268),
    ("SoftMarginLoss()", "s", 0.75166),
    ("MultiLabelMarginLoss()", "m", 0.18961),
    ("MultiLabelSoftMarginLoss()", "p", 0.75081),
    ("MultiMarginLoss()", "c", 0.64679),
    ("TripletMarginLoss()", "rr", 1.2666),
    ("CTCLoss()", "t", 1.3198),
]  # fmt: skip


def ramp(shape, low=-1.0, high=1.0):
    return (torch.linspace(low, high, math.prod(shape)) * 7).sin().reshape(shape)


def checksum(y):
    return (y * torch.arange(1.0, y.numel() + 1).cos().reshape(y.shape)).sum()


def shapes(text):
    return [tuple(map(int, shape.split("x"))) for shape in text.split()]


def first(result):
    while isinstance(result, (tuple, list)):
        result = result[0]
    return result


def construct(expression):
    return eval(f"nn.{expression}", {"nn": nn, "WEIGHT": torch.tensor([1.0, 2.0, 3.0])})


@pytest.mark.parametrize(
    ("expression", "text", "keys", "inputs", "output", "value", "gradient"), LAYERS, ids=[row[0] for row in LAYERS]
)
def test_layer(expression, text, keys, inputs, output, value, gradient):
    module = construct(expression)
    if text != "":
        assert repr(module) == (expression if text is SAME else text)
    assert list(module.state_dict()) == keys.split()
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(ramp(parameter.shape, -0.5, 0.6))
    leaves = [ramp(shape, -1.0, 1.0 - 0.1 * i).requires_grad_() for i, shape in enumerate(shapes(inputs))]
    # Times one: an inplace layer must not write into a leaf.
    result = first(module(*[leaf * 1 for leaf in leaves]))
    assert [tuple(result.shape)] == shapes(output)
    total = checksum(result)
    total.backward()
    assert total.item() == pytest.approx(value, rel=2e-4, abs=2e-4)
    assert checksum(leaves[0].grad).item() == pytest.approx(gradient, rel=2e-4, abs=2e-4)


def loss_arguments(kind):
    x, y, z = ramp((4, 3)), ramp((4, 3), -0.3, 0.8), ramp((4, 3), -0.9, 0.2)
    probabilities, signs = (y + 1) / 2, torch.where(y > 0, 1, -1)
    return {
        "r": (x, y),
        "c": (x, torch.tensor([0, 2, 1, 2])),
        "p": (x, probabilities),
        "pp": ((x + 1.1) / 2.2, probabilities),
        "rv": (x, y, probabilities + 0.1),
        "s": (x, signs),
        "rs": (x, y, signs),
        "r1": (x, y, torch.tensor([1, -1, 1, -1])),
        "m": (x, torch.tensor([[2, -1, 0], [0, 1, -1], [-1, 0, 0], [0, 1, 2]])),
        "rr": (x, y, z),
        "t": (
            ramp((6, 2, 3)).log_softmax(2), torch.tensor([[1, 2], [2, 2]]), torch.tensor([6, 5]), torch.tensor([2, 2])
        ),
    }[kind]  # fmt: skip


@pytest.mark.parametrize(("expression", "kind", "value"), LOSSES, ids=[row[0] for row in LOSSES])
def test_loss(expression, kind, value):
    loss = construct(expression)(*loss_arguments(kind))
    assert loss.sum().item() == pytest.approx(value, rel=2e-4, abs=2e-4)


def test_every_name_resolves():
    for name in nn.__all__:
        assert isinstance(getattr(nn, name), type)
        assert name in dir(nn)
    for name in F.__all__:
        assert callable(getattr(F, name))
    with pytest.raises(AttributeError, match="has no attribute 'Lineer'"):
        nn.Lineer


def test_initial_weights_follow_the_seed():
    torch.manual_seed(0)
    expected = [[-0.0043225, 0.3097158, -0.4751853], [-0.4248946, -0.222369, 0.1548207]]
    assert torch.allclose(nn.Linear(3, 2).weight, torch.tensor(expected), atol=1e-6)
    torch.manual_seed(0)
    kernel = torch.tensor([-0.0037434, 0.2682218, -0.4115226, -0.3679695])
    assert torch.allclose(nn.Conv2d(1, 1, 2).weight.flatten(), kernel, atol=1e-6)
    gates = torch.tensor([0.2681574, -0.0198132, 0.7928895, -0.088744])
    assert torch.allclose(nn.LSTM(1, 1).weight_ih_l0.flatten(), gates, atol=1e-6)


@pytest.mark.parametrize(
    ("lazy", "shape", "becomes"),
    [
        ("LazyLinear(3)", (4, 6), "Linear(in_features=6, out_features=3, bias=True)"),
        ("LazyConv2d(3, 2)", (1, 4, 5, 5), "Conv2d(4, 3, kernel_size=(2, 2), stride=(1, 1))"),
        ("LazyBatchNorm1d()", (4, 6), repr(nn.BatchNorm1d(6))),
    ],
)
def test_lazy_layers_become_plain(lazy, shape, becomes):
    module = construct(lazy)
    module(ramp(shape))
    assert repr(module) == becomes


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_embedding_bag_is_the_reduction_of_an_embedding(mode):
    table, index = nn.Embedding(10, 3), torch.tensor([[1, 2, 2], [4, 0, 9]])
    bag = nn.EmbeddingBag.from_pretrained(table.weight.detach(), mode=mode)
    rows = table(index)
    expected = rows.amax(1) if mode == "max" else getattr(rows, mode)(1)
    assert torch.allclose(bag(index), expected)
    assert torch.allclose(bag(index.flatten(), torch.tensor([0, 3])), expected)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_packed_sequences_run_as_if_alone(name):
    net = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True)
    sequences = [ramp((2, 3)), ramp((5, 3)), ramp((4, 3))]
    output, state = net(rnn.pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = rnn.pad_packed_sequence(output, batch_first=True)
    assert lengths.tolist() == [2, 5, 4]
    for i, sequence in enumerate(sequences):
        alone, last = net(sequence)
        assert torch.allclose(padded[i, : len(sequence)], alone, atol=1e-6)
        assert torch.allclose(first(state)[:, i], first(last), atol=1e-6)


def test_cell_steps_are_the_layer():
    layer, cell = nn.LSTM(3, 4), nn.LSTMCell(3, 4)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    sequence, state = ramp((5, 2, 3)), None
    for step in sequence:
        state = cell(step, state)
    assert torch.allclose(layer(sequence)[0][-1], state[0], atol=1e-6)


def test_batch_norm_tracks_its_statistics():
    norm = nn.BatchNorm1d(2)
    norm(torch.tensor([[0.0, 1.0], [2.0, 5.0]]))
    assert norm.running_mean.tolist() == pytest.approx([0.1, 0.3])
    assert norm.running_var.tolist() == pytest.approx([1.1, 1.7])
    assert norm.num_batches_tracked.item() == 1
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        norm(torch.zeros(1, 2))


def test_causal_attention_ignores_the_future():
    q, k, v = ramp((1, 4, 6)), ramp((1, 4, 6), 0.0, 1.0), ramp((1, 4, 6), -0.5, 1.0)
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(causal[:, 0], v[:, 0])
    mask = torch.ones(4, 4).tril() > 0
    assert torch.allclose(causal, F.scaled_dot_product_attention(q, k, v, mask), atol=1e-6)


def test_clipping():
    w = nn.Parameter(torch.zeros(2))
    w.grad = torch.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == pytest.approx(5.0)
    assert w.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-4)
    nn.utils.clip_grad_value_(w, 0.7)
    assert w.grad.tolist() == pytest.approx([0.6, 0.7], rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.MSELoss(size_average=False), "please use reduction='sum' instead"),
        (lambda: nn.Softmax()(torch.zeros(2, 2)), "Implicit dimension choice for softmax has been deprecated"),
        (lambda: nn.LSTM(2, 3, dropout=0.5), "dropout option adds dropout after all but last recurrent layer"),
    ],
)
def test_warnings(call, message):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert [message in str(warning.message) for warning in caught] == [True]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda: nn.Dropout(2), ValueError, "dropout probability has to be between 0 and 1, but got 2"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "num_channels (3) must be divisible by num_groups (2)"),
        (lambda: nn.BatchNorm2d(3)(torch.zeros(2, 3)), ValueError, "expected 4D input (got 2D input)"),
        (lambda: nn.Embedding(3, 4, padding_idx=3), AssertionError, "Padding_idx must be within num_embeddings"),
        (lambda: nn.LSTM(3, 4)(torch.zeros(2, 2, 4)), RuntimeError, "Expected 3, got 4"),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError, "embed_dim must be divisible by num_heads"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_data_of_a_lazy_parameter_is_an_empty_tensor():
    layer = nn.LazyLinear(2)
    assert type(layer.weight.data) is torch.Tensor
    layer.weight.data.normal_(0, 0.01)
    layer.bias.data.fill_(0)
    assert layer(torch.ones(1, 3)).shape == (1, 2)
    with pytest.raises(ValueError, match="uninitialized parameter"):
        nn.LazyLinear(2).weight.normal_()
