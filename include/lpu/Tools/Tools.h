//===- Tools.h - The mains of the command-line tools ------------*- C++ -*-===//
#ifndef LPU_TOOLS_TOOLS_H
#define LPU_TOOLS_TOOLS_H

namespace lpu {

/// Each takes main's arguments and returns the exit code: 0, or 1 with a
/// message on standard error.
int runAssemble(int argc, char **argv);
int runObjdump(int argc, char **argv);
int runVerify(int argc, char **argv);
int runRun(int argc, char **argv);
int runHost(int argc, char **argv);
int runOpt(int argc, char **argv);
int runCompile(int argc, char **argv);
int runTranslate(int argc, char **argv);
int runReduce(int argc, char **argv);
int runLspServer(int argc, char **argv);

} // namespace lpu

#endif // LPU_TOOLS_TOOLS_H
