def test_x(done):
    import subprocess

    print(done.root, done.results)
    print(subprocess.run(["find", str(done.results)], capture_output=True, text=True).stdout)
