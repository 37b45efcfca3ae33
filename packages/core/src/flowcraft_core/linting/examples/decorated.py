"""Examples for the rules about flows of decorated functions."""

from ...rules import decorated

EXAMPLES = {
    decorated.NODE_LIKE_VALUE: (
        """
        flow = Flow("f")
        flow.value("total", int, default=0)


        @flow.step
        def total() -> int:
            return 3
        """,
        """
        flow = Flow("f")
        flow.value("total", int, default=0)


        @flow.step
        def add_up() -> int:
            return 3
        """,
    ),
    decorated.RETURNS_NOTHING: (
        """
        flow = Flow[None, int]("f")


        @flow.step
        def answer() -> int:
            return 42
        """,
        """
        flow = Flow[None, int]("f")


        @flow.step
        def answer() -> int:
            return 42


        flow.returns(answer.output)
        """,
    ),
    decorated.STEP_OF_ANOTHER_FLOW: (
        """
        prices, flow = Flow[None, int]("prices"), Flow[None, int]("f")


        @prices.step
        def price() -> int:
            return 3


        @flow.step
        def double(of: int = price.output) -> int:
            return of * 2


        flow.returns(double.output)
        """,
        """
        prices, flow = Flow[None, int]("prices"), Flow[None, int]("f")


        @prices.step
        def price() -> int:
            return 3


        prices.returns(price.output)
        called = flow.call(prices, None)


        @flow.step
        def double(of: int = called.output) -> int:
            return of * 2


        flow.returns(double.output)
        """,
    ),
    decorated.LOOP_WITHOUT_AGAIN: (
        """
        flow = Flow[int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = loop.value) -> int:
            return number * 2
        """,
        """
        flow = Flow[int, int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = loop.value) -> int:
            return number * 2


        loop.again(double.output, when=double.output < 100)
        flow.returns(loop.output)
        """,
    ),
    decorated.NEEDED_FROM_INSIDE: (
        """
        flow = Flow[int, str]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = loop.value) -> int:
            return number * 2


        loop.again(double.output, when=double.output < 100)


        @flow.step
        def report(number: int = double.output) -> str:
            return f"it is {number}"


        flow.returns(report.output)
        """,
        """
        flow = Flow[int, str]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = loop.value) -> int:
            return number * 2


        loop.again(double.output, when=double.output < 100)


        @flow.step
        def report(number: int = loop.output) -> str:
            return f"it is {number}"


        flow.returns(report.output)
        """,
    ),
    decorated.LOOP_ENDS_OUTSIDE: (
        """
        flow = Flow[int, int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = flow.input) -> int:
            return number * 2


        loop.again(double.output, when=double.output < 100)
        flow.returns(loop.output)
        """,
        """
        flow = Flow[int, int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def double(number: int = loop.value) -> int:
            return number * 2


        loop.again(double.output, when=double.output < 100)
        flow.returns(loop.output)
        """,
    ),
    decorated.WAIT_FOR_EACH_OTHER: (
        """
        flow = Flow[int, int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def factor(number: int = loop.output) -> int:
            return number + 1


        @flow.step
        def multiply(number: int = loop.value, by: int = factor.output) -> int:
            return number * by


        loop.again(multiply.output, when=multiply.output < 100)
        flow.returns(loop.output)
        """,
        """
        flow = Flow[int, int]("f")
        loop = flow.loop("until_big", flow.input)


        @flow.step
        def factor(number: int = flow.input) -> int:
            return number + 1


        @flow.step
        def multiply(number: int = loop.value, by: int = factor.output) -> int:
            return number * by


        loop.again(multiply.output, when=multiply.output < 100)
        flow.returns(loop.output)
        """,
    ),
    decorated.PARAMETER_WITHOUT_SOURCE: (
        """
        flow = Flow[int, int]("f")


        @flow.step
        def double(number: int) -> int:
            return number * 2
        """,
        """
        flow = Flow[int, int]("f")


        @flow.step
        def double(number: int = flow.input) -> int:
            return number * 2


        flow.returns(double.output)
        """,
    ),
}
