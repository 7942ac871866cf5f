#include "lpu/Tools/Tools.h"

int main(int argc, char **argv) { return lpu::runLspServer(argc, argv); }
