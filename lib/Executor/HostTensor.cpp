//===- HostTensor.cpp - Tensors of the host ---------------------------===//
#include "lpu/Executor/Executor.h"

using namespace lpu;

int64_t HostTensor::numElements() const {
  int64_t count = 1;
  for (int64_t extent : shape) {
    count *= extent;
  }
  return count;
}
