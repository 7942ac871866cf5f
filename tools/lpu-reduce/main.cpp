#include "lpu/Tools/Tools.h"

int main(int argc, char **argv) { return lpu::runReduce(argc, argv); }
