//===- AtomicFile.cpp - A file that is whole or not there -----------------===//

#include "lpu/Support/AtomicFile.h"
#include "absl/strings/str_cat.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lpu {

/// Removes the temporary files of `path` whose processes are dead: nobody locks them. The
/// numbers of processes do not say so; other machines have theirs.
static void removeStale(const std::filesystem::path &path, const std::filesystem::path &folder) {
  std::string prefix = absl::StrCat(path.filename().string(), ".tmp.");
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.size() == prefix.size() || name.compare(0, prefix.size(), prefix) != 0 ||
        name.find_first_not_of("0123456789", prefix.size()) != std::string::npos) {
      continue;
    }
    int file = open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) {
      unlink(it->path().c_str());
    }
    if (file >= 0) {
      close(file);
    }
  }
}

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
  folder = folder.empty() ? "." : folder;
  removeStale(path, folder);
  fd = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  isNamed = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
  if (!isNamed && fd >= 0) {
    flock(fd, LOCK_EX);
  }
  while (isNamed) {
    fd = open(temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) != 0 || fstat(fd, &info) != 0 || info.st_nlink > 0) {
      break;
    }
    close(fd); // removed as stale before it was locked
  }
  if (fd < 0) {
    isNamed = false; // it is another's
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
  isPrepared = status.ok();
  return status;
}

// No call replaces a file by one without a name: where there is one already, a process
// killed between two calls leaves the whole file under its temporary name.
absl::Status AtomicFile::commit() {
  if (!prepare().ok() || isDirect) {
    return status;
  }
  bool isDone = false;
  if (!isNamed) {
    std::string open = absl::StrCat("/proc/self/fd/", fd);
    auto link = [&](const std::string &name) {
      return linkat(AT_FDCWD, open.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
    };
    isDone = link(path);
    isNamed = !isDone && errno == EEXIST && link(temporary);
  }
  if (isNamed) {
    isDone = rename(temporary.c_str(), path.c_str()) == 0;
    isNamed = !isDone;
  }
  status = isDone ? status : error("cannot create");
  return status;
}

absl::Status AtomicFile::error(const char *what) {
  return absl::UnavailableError(absl::StrCat(path, ": ", what, ": ", std::strerror(errno)));
}

} // namespace lpu
