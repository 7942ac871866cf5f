//===- Layers.h - Layers of a model, by name --------------------*- C++ -*-===//
#ifndef LPU_SUPPORT_LAYERS_H
#define LPU_SUPPORT_LAYERS_H

#include <string>

namespace lpu {

/// The layer of a node or chain: its name up to the first component that is a number
/// and not the last, as in `layers.3.q_proj` or `/model/h.3/attn`; else empty.
std::string getLayerName(const std::string &name);

} // namespace lpu

#endif // LPU_SUPPORT_LAYERS_H
