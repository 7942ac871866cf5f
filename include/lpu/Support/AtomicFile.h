//===- AtomicFile.h - A file that is whole or not there ---------*- C++ -*-===//
#ifndef LPU_SUPPORT_ATOMICFILE_H
#define LPU_SUPPORT_ATOMICFILE_H

#include "absl/status/status.h"
#include <cstddef>
#include <string>

namespace lpu {

/// A file that appears under its name only when it is whole; what was there before
/// stays until then. Where the file system can, it has no name before that, so that
/// nothing stays of a killed process; what stays nevertheless, under the name with
/// ".tmp." and a number, the next one of that name removes. What is no regular file, such
/// as /dev/null, is written to as it is. An error stays until commit() returns it, with
/// the path.
class AtomicFile {
public:
  explicit AtomicFile(const std::string &path);
  AtomicFile(const AtomicFile &) = delete;
  ~AtomicFile();

  void write(const void *data, size_t size);
  /// Writes zeros up to byte `offset` of the file.
  void padTo(size_t offset);
  size_t getPosition() const { return position; }
  /// Writes everything to the disk, so that commit() only gives the name: for files that
  /// have to appear together.
  absl::Status prepare();
  absl::Status commit();

private:
  absl::Status error(const char *what);
  std::string path, temporary;
  int fd;
  bool isNamed = false;  ///< `temporary` is there
  bool isDirect = false; ///< `path` is no regular file
  bool isPrepared = false;
  size_t position = 0;
  absl::Status status;
};

} // namespace lpu

#endif // LPU_SUPPORT_ATOMICFILE_H
