//===- Layers.cpp - Cycles of a program's layers --------------------------===//

#include "Layers.h"
#include "lpu/Scheduling/Algorithms.h"
#include "lpu/Support/Layers.h"
#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace scheduling = ::lpu::scheduling;

std::vector<mlir::stream::Layer>
mlir::stream::getLayers(const scheduling::ChainProblem &problem,
                        const scheduling::Schedule &schedule) {
  struct Part {
    std::vector<uint32_t> chains;
    std::vector<scheduling::Dependence> dependences; // by place among `chains`
    int64_t start = std::numeric_limits<int64_t>::max(), end = 0;
  };
  std::map<std::string, Part> parts;
  std::vector<std::pair<Part *, uint32_t>> places; // of every chain
  for (size_t k = 0; k < problem.chains.size(); ++k) {
    const scheduling::Chain &chain = problem.chains[k];
    Part &part = parts[::lpu::getLayerName(chain.name)];
    part.start = std::min(part.start, schedule.chains[k].start);
    part.end = std::max(part.end, schedule.chains[k].start + chain.getLength());
    places.emplace_back(&part, part.chains.size());
    part.chains.push_back(uint32_t(k));
  }
  for (const scheduling::Dependence &dependence : problem.dependences) {
    auto [fromPart, from] = places[dependence.from];
    auto [toPart, to] = places[dependence.to];
    if (fromPart == toPart) {
      fromPart->dependences.push_back({from, to, dependence.delay});
    }
  }
  std::vector<std::pair<int64_t, Layer>> layers;
  for (auto &[name, part] : parts) {
    // A copy of one layer's chains at a time: all of them need much memory.
    scheduling::ChainProblem layer;
    layer.numQueues = problem.numQueues;
    layer.streams = problem.streams;
    layer.columns = problem.columns;
    layer.firstAluQueue = problem.firstAluQueue;
    layer.numAlus = problem.numAlus;
    layer.chains.reserve(part.chains.size());
    for (uint32_t k : part.chains) {
      layer.chains.push_back(problem.chains[k]);
    }
    layer.dependences = std::move(part.dependences);
    layers.push_back({part.end, {name, part.start, part.end - part.start, scheduling::getLowerBound(layer)}});
  }
  std::sort(layers.begin(), layers.end(), [](const auto &a, const auto &b) {
    return std::tie(a.first, a.second.name) < std::tie(b.first, b.second.name);
  });
  std::vector<Layer> result;
  for (auto &[end, layer] : layers) {
    result.push_back(std::move(layer));
  }
  return result;
}
