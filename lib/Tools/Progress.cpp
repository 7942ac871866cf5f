//===- Progress.cpp - What a tool is doing, and for how long yet ----------===//

#include "Progress.h"
#include "llvm/Support/FormatVariadic.h"

using namespace lpu;

Progress::Progress(llvm::raw_ostream *out, bool isTerminal, std::chrono::milliseconds tick)
    : out(out), isTerminal(isTerminal), tick(tick) {
  if (!out) {
    return;
  }
  ticker = std::thread([this] {
    std::unique_lock<std::mutex> lock(mutex);
    while (!end.wait_for(lock, this->tick, [&] { return isOver; })) {
      sayRest();
    }
  });
}

Progress::~Progress() {
  if (ticker.joinable()) {
    clearLine();
    {
      std::lock_guard<std::mutex> lock(mutex);
      isOver = true;
    }
    end.notify_one();
    ticker.join();
  }
}

double Progress::getSeconds() const {
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

void Progress::say(double now, llvm::StringRef text, bool stays) {
  if (out) {
    // What does not stay is written over.
    *out << llvm::formatv("[{0,6:f2} s] ", now) << text << (isTerminal ? "\x1b[K" : "")
         << (stays || !isTerminal ? "\n" : "\r");
    out->flush();
  }
}

void Progress::sayRest() {
  double now = getSeconds();
  if (finished >= stages.size() || now - stages.back().second < std::chrono::duration<double>(tick).count()) {
    return;
  }
  std::string text = stages.back().first;
  if (share > 0) {
    double left = (updated - stages.back().second) * (1 - share) / share - (now - updated);
    text += llvm::formatv(": {0:f0} %", 100 * share);
    text += left > 0.5 ? llvm::formatv(", about {0:f0} s left", left).str() : "";
  }
  say(now, text, false);
}

void Progress::finish(double now) {
  if (finished < stages.size()) {
    stages[finished].second = now - stages[finished].second;
    finished = stages.size();
  }
}

void Progress::stage(llvm::StringRef name) {
  std::lock_guard<std::mutex> lock(mutex);
  double now = getSeconds();
  finish(now);
  stages.emplace_back(name.str(), now);
  share = 0;
  say(now, name, true);
}

void Progress::update(double newShare) {
  std::lock_guard<std::mutex> lock(mutex);
  share = newShare;
  updated = getSeconds();
}

void Progress::clearLine() {
  std::lock_guard<std::mutex> lock(mutex);
  if (out && isTerminal) {
    *out << "\x1b[K";
    out->flush();
  }
}

const StageTimes &Progress::getTimes() {
  std::lock_guard<std::mutex> lock(mutex);
  finish(getSeconds());
  return stages;
}
