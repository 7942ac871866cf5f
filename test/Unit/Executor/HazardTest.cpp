//===- HazardTest.cpp - Every kind of hazard stops the executor -----------===//

#include "Hazards.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Executor/Executor.h"
#include <gmock/gmock.h>

using namespace lpu;

namespace {

std::string runText(const std::string &text) {
  absl::StatusOr<Program> program = assemble(text, "test");
  if (!program.ok()) {
    return "assemble: " + std::string(program.status().message());
  }
  auto executor =
      Executor::create(std::make_shared<const Program>(std::move(*program)));
  if (!executor.ok()) {
    return "create: " + std::string(executor.status().message());
  }
  absl::StatusOr<RunResult> result = executor->run("main", {});
  return result.ok() ? "no hazard" : std::string(result.status().message());
}

class HazardTest : public testing::TestWithParam<Hazard> {};

TEST_P(HazardTest, Stops) {
  EXPECT_EQ(runText(GetParam().text), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, HazardTest, testing::ValuesIn(hazards()),
                         [](const auto &info) { return info.param.name; });

} // namespace
