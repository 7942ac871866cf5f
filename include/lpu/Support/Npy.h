//===- Npy.h - NumPy's .npy files -------------------------------*- C++ -*-===//
#ifndef LPU_SUPPORT_NPY_H
#define LPU_SUPPORT_NPY_H

#include "absl/status/statusor.h"
#include <cstdint>
#include <string>
#include <vector>

namespace lpu {

/// A C-ordered, little-endian array.
struct NpyArray {
  std::string descr; ///< NumPy's type string: "<f4", "<i8", "|b1" ...
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  /// Bytes of one element, from `descr`; 0 when it has no plain size.
  unsigned elementBytes() const;
  int64_t numElements() const;
};

/// Reads format versions 1 to 3. Errors name the file and what was expected;
/// big-endian, Fortran-ordered and structured arrays are refused.
absl::StatusOr<NpyArray> readNpy(const std::string &path);
absl::Status writeNpy(const NpyArray &array, const std::string &path);

} // namespace lpu

#endif // LPU_SUPPORT_NPY_H
