class Model:
    def __getattribute__(self, name):
        return 2.0


MODEL = Model()


def f(x):
    return x * MODEL.value  # error: `.value` of a Model is not supported
