#!/bin/sh
# Exit code 1, "interesting", where buffers of the module do not fit into SRAM.
! lpu-opt --lpu-place-buffers "$1" 2>&1 | grep -q 'does not fit into SRAM'
