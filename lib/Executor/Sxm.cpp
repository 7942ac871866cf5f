//===- Sxm.cpp - Shift, permute and transpose queues (P1 to P5) -----------===//
#include "Chip.h"
#include <cstring>

using namespace lpu;
using namespace lpu::executor;

namespace {
/// out[l] = in[l - by]; lanes from outside come from `second` or are zero.
void shift(const uint8_t *in, const uint8_t *second, int by, uint8_t *out,
           int lanes) {
  for (int l = 0; l < lanes; ++l) {
    int from = l - by;
    if (from >= 0 && from < lanes) {
      out[l] = in[from];
    } else {
      int wrapped = ((from % lanes) + lanes) % lanes;
      out[l] = second ? second[wrapped] : 0;
    }
  }
}
} // namespace

bool Chip::sxm(const FlatQueue &queue, const FlatOp &flat) {
  const SxmOp &op = flat.sxm;
  const uint8_t *first = sample(op.in[0]);
  const uint8_t *second = first && op.groups > 1 ? sample(op.in[1]) : nullptr;
  if (!first || (op.groups > 1 && !second)) {
    return false;
  }
  const Latencies &latencies = target.latencies();
  unsigned width = target.lanesPerSuperlane();
  unsigned latency = latencies.shift();
  const uint16_t *table = flat.opcode == Opcode::Shift ||
                                  flat.opcode == Opcode::Rotate
                              ? nullptr
                              : program.tables[op.table].data();
  uint32_t vector = pool.allocate();
  uint8_t *out = pool.data(vector);
  switch (flat.opcode) {
  case Opcode::Shift:
    shift(first, second, op.lanes, out, int(lanes));
    break;
  case Opcode::Select:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = table[l] ? first[l] : second[l];
    }
    break;
  case Opcode::Distribute:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = first[l - l % width + table[l]];
    }
    break;
  case Opcode::Rotate: {
    unsigned by = unsigned((op.lanes % int(width) + int(width))) % width;
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = first[l - l % width + (l % width + width - by) % width];
    }
    break;
  }
  default: // permute
    latency = latencies.permute();
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = first[table[l]];
    }
    break;
  }
  return drive(op.out[0], 0, latency, vector);
}

bool Chip::transpose(const SxmOp &op) {
  unsigned width = target.lanesPerSuperlane();
  for (unsigned g = 0; g < op.groups; ++g) {
    const uint8_t *in[16];
    uint32_t vectors[16];
    uint8_t *out[16];
    for (unsigned k = 0; k < 16; ++k) {
      in[k] = sample(op.in[g], k);
      if (!in[k]) {
        return false;
      }
    }
    for (unsigned k = 0; k < 16; ++k) {
      vectors[k] = pool.allocate();
      out[k] = pool.data(vectors[k]);
    }
    for (unsigned s = 0; s < superlanes; ++s) {
      for (unsigned a = 0; a < 16; ++a) {
        for (unsigned b = 0; b < 16; ++b) {
          out[a][s * width + b] = in[b][s * width + a];
        }
      }
    }
    for (unsigned k = 0; k < 16; ++k) {
      if (!drive(op.out[g], k, target.latencies().transpose(), vectors[k])) {
        return false;
      }
    }
  }
  return true;
}
