from upscaled.cli.main import main

main()
