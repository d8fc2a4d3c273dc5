using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

public sealed class TopicPatternTests
{
    [Theory]
    [InlineData("orders", "orders")]
    [InlineData("orders.placed", "orders.placed")]
    [InlineData("orders.*", "orders.placed")]
    [InlineData("*", "orders")]
    [InlineData("*.*", "orders.placed")]
    [InlineData("*.placed", "orders.placed")]
    [InlineData("#", "orders")]
    [InlineData("#", "orders.eu.placed")]
    [InlineData("orders.#", "orders")]
    [InlineData("orders.#", "orders.placed")]
    [InlineData("orders.#", "orders.eu.placed")]
    [InlineData("#.placed", "placed")]
    [InlineData("#.placed", "orders.eu.placed")]
    [InlineData("#.placed", "placed.placed")]
    [InlineData("orders.#.placed", "orders.placed")]
    [InlineData("orders.#.placed", "orders.eu.west.placed")]
    [InlineData("orders.#.placed", "orders.placed.placed")]
    [InlineData("#.eu.#", "eu")]
    [InlineData("#.eu.#", "orders.eu.placed")]
    [InlineData("#.eu.#.placed", "orders.eu.eu.west.placed")]
    [InlineData("#.#", "orders")]
    [InlineData("#.*", "orders")]
    [InlineData("*.#", "orders")]
    [InlineData("#.*.#", "orders")]
    [InlineData("#.a.*.b", "a.x.a.y.b")]
    public void Matches(string pattern, string topic) => Assert.True(TopicPattern.Matches(pattern, topic));

    [Theory]
    [InlineData("orders", "order")]
    [InlineData("order", "orders")]
    [InlineData("orders", "Orders")]
    [InlineData("orders", "orders.placed")]
    [InlineData("orders.placed", "orders")]
    [InlineData("orders.*", "orders")]
    [InlineData("orders.*", "orders.eu.placed")]
    [InlineData("*", "orders.placed")]
    [InlineData("*.*", "orders")]
    [InlineData("orders.#", "order")]
    [InlineData("orders.#", "ordersx.placed")]
    [InlineData("orders.#", "eu.orders")]
    [InlineData("#.placed", "orders.placed.eu")]
    [InlineData("#.placed", "orders.unplaced")]
    [InlineData("orders.#.placed", "orders")]
    [InlineData("orders.#.placed", "orders.placed.eu")]
    [InlineData("#.*.*", "orders")]
    [InlineData("#.eu.#.placed", "orders.placed.eu")]
    [InlineData("#.a.*.b", "a.b")]
    public void Does_not_match(string pattern, string topic) => Assert.False(TopicPattern.Matches(pattern, topic));

    [Fact]
    public void Agrees_with_the_definition_on_random_patterns()
    {
        var random = new Random(20260727);
        var matched = 0;
        const int Cases = 50_000;
        for (var i = 0; i < Cases; i++)
        {
            var pattern = Words(random, ["a", "b", "ab", "*", "#", "#"]);
            var topic = Words(random, ["a", "b", "ab"]);
            var expected = ByDefinition(pattern.Split('.'), topic.Split('.'));
            matched += expected ? 1 : 0;
            Assert.True(TopicPattern.Matches(pattern, topic) == expected, $"'{pattern}' on '{topic}' should be {expected}.");
        }

        Assert.InRange(matched, Cases / 10, Cases * 9 / 10);
    }

    [Fact]
    public void A_hostile_pattern_takes_no_exponential_time()
    {
        var pattern = string.Concat(Enumerable.Repeat("#.a.", 60)) + "b";
        var topic = string.Join('.', Enumerable.Repeat("a", 120));

        Assert.False(TopicPattern.Matches(pattern, topic));
    }

    [Theory]
    [InlineData("orders.placed", false)]
    [InlineData("orders.*", true)]
    [InlineData("#", true)]
    public void Knows_wildcards(string pattern, bool expected) => Assert.Equal(expected, TopicPattern.HasWildcard(pattern));

    private static string Words(Random random, string[] vocabulary) =>
        string.Join('.', Enumerable.Range(0, random.Next(1, 7)).Select(_ => vocabulary[random.Next(vocabulary.Length)]));

    private static bool ByDefinition(ReadOnlySpan<string> pattern, ReadOnlySpan<string> topic) => pattern switch
    {
        [] => topic.IsEmpty,
        ["#", .. var rest] => ByDefinition(rest, topic) || (!topic.IsEmpty && ByDefinition(pattern, topic[1..])),
        ["*", .. var rest] => !topic.IsEmpty && ByDefinition(rest, topic[1..]),
        [var word, .. var rest] => !topic.IsEmpty && topic[0] == word && ByDefinition(rest, topic[1..]),
    };
}
