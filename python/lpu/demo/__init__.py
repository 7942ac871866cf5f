"""What tools/demo.sh does once Python is there: build, then checkpoint, export, compile, chat and figures."""
