class Model:
    def value(self, x):
        return x


MODEL = Model()


def f(x):
    return MODEL.value(x)  # error: `.value` of a Model is not supported
