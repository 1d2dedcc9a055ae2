"""Merges batch norms into the convolutions before them, for inference only."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.msnet import MSNet


def fold_batch_norm(network: MSNet) -> MSNet:
    """A copy in evaluation mode that computes the same with fewer passes over memory.

    The copy cannot be trained and has other weight names; `basis()` is unchanged.
    """
    folded = copy.deepcopy(network).eval()
    fold_convolutions(folded)
    return folded.requires_grad_(False)


def fold_convolutions(network: nn.Module) -> nn.Module:
    """In place: a norm that follows a convolution in a Sequential becomes part of it."""
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for place in range(len(module) - 1):
            convolution, norm = module[place], module[place + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[place] = fuse_conv_bn_eval(convolution, norm)
                module[place + 1] = nn.Identity()
    return network
