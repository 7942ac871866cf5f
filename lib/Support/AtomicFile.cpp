//===- AtomicFile.cpp - A file that is whole or not there -----------------===//

#include "lpu/Support/AtomicFile.h"
#include "absl/strings/str_cat.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lpu {

AtomicFile::AtomicFile(const std::string &path)
    : path(path), temporary(absl::StrCat(path, ".tmp.", getpid())) {
  struct stat info;
  isDirect = stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  if (isDirect) {
    fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
      status = error("cannot write");
    }
    return;
  }
  std::string folder = path.substr(0, path.rfind('/') + 1);
  fd = open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  isNamed = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
  if (isNamed) {
    fd = open(temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  }
  if (fd < 0) {
    status = error("cannot create");
  }
}

AtomicFile::~AtomicFile() {
  if (fd >= 0) {
    close(fd);
  }
  if (isNamed) {
    unlink(temporary.c_str());
  }
}

void AtomicFile::write(const void *data, size_t size) {
  const char *bytes = static_cast<const char *>(data);
  while (status.ok() && size > 0) {
    ssize_t done = ::write(fd, bytes, size);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      status = error("cannot write");
      return;
    }
    bytes += done;
    size -= size_t(done);
    position += size_t(done);
  }
}

void AtomicFile::padTo(size_t offset) {
  static const char zeros[4096] = {};
  while (status.ok() && position < offset) {
    write(zeros, std::min(sizeof(zeros), offset - position));
  }
}

absl::Status AtomicFile::prepare() {
  if (isPrepared || isDirect || !status.ok()) {
    return status;
  }
  if (fsync(fd) != 0) {
    status = error("cannot write");
  }
  if (status.ok() && !isNamed) {
    std::string open = absl::StrCat("/proc/self/fd/", fd);
    unlink(temporary.c_str()); // of a dead process of the same number
    isNamed = linkat(AT_FDCWD, open.c_str(), AT_FDCWD, temporary.c_str(),
                     AT_SYMLINK_FOLLOW) == 0;
    status = isNamed ? status : error("cannot create");
  }
  isPrepared = status.ok();
  return status;
}

absl::Status AtomicFile::commit() {
  if (prepare().ok() && !isDirect && rename(temporary.c_str(), path.c_str()) != 0) {
    status = error("cannot create");
  }
  isNamed &= !status.ok();
  return status;
}

absl::Status AtomicFile::error(const char *what) {
  return absl::UnavailableError(absl::StrCat(path, ": ", what, ": ", std::strerror(errno)));
}

} // namespace lpu
