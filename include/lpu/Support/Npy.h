//===- Npy.h - NumPy's .npy and .npz files ----------------------*- C++ -*-===//
#ifndef LPU_SUPPORT_NPY_H
#define LPU_SUPPORT_NPY_H

#include "absl/status/statusor.h"
#include <cstdint>
#include <iosfwd>
#include <map>
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
/// The same from `file`, which can seek; `path` is for errors.
absl::StatusOr<NpyArray> readNpy(std::istream &file, const std::string &path);
/// The arrays of an archive, stored or deflated, by name without ".npy".
absl::StatusOr<std::map<std::string, NpyArray>> readNpz(const std::string &path);
absl::Status writeNpy(const NpyArray &array, const std::string &path);

} // namespace lpu

#endif // LPU_SUPPORT_NPY_H
