import sys

from upscaled.worker.main import main

sys.exit(main(sys.argv[1:]))
