# Configuration of the lit suite. `lit -D roundtrip=1` is for later levels.
import os

import lit.formats

config.name = "LPU"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".test", ".lpuasm", ".mlir"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.lpu_build_dir, "test")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.lpu_build_dir, "bin"), config.llvm_tools_dir,
     os.path.dirname(config.python), os.environ["PATH"]]
)
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%build", config.lpu_build_dir))
config.substitutions.append(("%cxx", config.cxx))
config.substitutions.append(("%source", os.path.dirname(config.test_source_root)))
