//===- Programs.h - Small programs on `tiny` for the judges' tests --------===//
//
// `tiny`, west to east: 0 C2C; 1, 2 planes 0, 1; 3 SXM; 4-43 MEM west (slice
// 39 ... 0); 44 VXM; 45-84 MEM east (slice 0 ... 39); 85 SXM; 86, 87 planes
// 2, 3; 88 C2C. A read at slice mem.wS in cycle T is at the VXM in cycle
// T + 5 + S + 1.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_TEST_UNIT_EXECUTOR_PROGRAMS_H
#define LPU_TEST_UNIT_EXECUTOR_PROGRAMS_H

#include <string>

/// A program on `tiny`: image lines, then the body of one entry.
inline std::string program(const std::string &image, const std::string &body) {
  return "target tiny\n" + image + "entry main\n" + body;
}

#endif // LPU_TEST_UNIT_EXECUTOR_PROGRAMS_H
