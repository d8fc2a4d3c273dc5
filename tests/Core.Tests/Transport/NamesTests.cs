using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

public sealed class NamesTests
{
    [Theory]
    [InlineData("orders")]
    [InlineData("orders.eu-west_1")]
    [InlineData("0")]
    [InlineData("-")]
    [InlineData("amqp.orders")]
    [InlineData("postrider-bindings")]
    [InlineData("abcdefghijklmnopqrstuvwxyz0123456789_-.abcd")]
    public void Legal_queues(string name)
    {
        Assert.Null(Names.WhyIllegalQueue(name));
        Names.CheckQueue(name);
        Assert.Null(Names.WhyIllegalQueue(Names.DeadLetterQueue(name)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(".")]
    [InlineData(".orders")]
    [InlineData("orders.")]
    [InlineData("orders..eu")]
    [InlineData("Orders")]
    [InlineData("orders placed")]
    [InlineData("orders/placed")]
    [InlineData("orders*")]
    [InlineData("orders.#")]
    [InlineData("orders.>")]
    [InlineData("$SYS")]
    [InlineData("orders'; drop table pgmq.meta; --")]
    [InlineData("orders\"")]
    [InlineData("orders\0")]
    [InlineData("orders\r\nPUB x 1")]
    [InlineData("orders\n")]
    [InlineData("orders\u2028")]
    [InlineData("оrders")] // a Cyrillic o
    [InlineData("ｏrders")] // a full-width o
    [InlineData("orders\u200B")] // a zero-width space
    [InlineData("orders\u202E")] // right-to-left override
    [InlineData("ordérs")]
    [InlineData("orders１")] // a full-width digit
    [InlineData("ıstanbul")] // a dotless i
    [InlineData(".dlq")]
    [InlineData("amq.orders")] // RabbitMQ refuses these
    [InlineData("postrider.bindings")] // the stream of bindings on RabbitMQ
    [InlineData("amq")] // its dead-letter queue would be one of these
    [InlineData("postrider")]
    public void Illegal_queues(string? name)
    {
        Assert.NotNull(Names.WhyIllegalQueue(name));
        Assert.Throws<MessagingConfigurationException>(() => Names.CheckQueue(name!));
    }

    [Fact]
    public void A_queue_has_at_most_43_characters_besides_the_suffix()
    {
        var longest = new string('q', Names.MaxQueueLength);

        Assert.Equal(43, Names.MaxQueueLength);
        Assert.Null(Names.WhyIllegalQueue(longest));
        Assert.Null(Names.WhyIllegalQueue(Names.DeadLetterQueue(longest)));
        Assert.Contains("limit is 43", Names.WhyIllegalQueue(longest + "q"), StringComparison.Ordinal);
        Assert.Contains("limit is 43", Names.WhyIllegalQueue(Names.DeadLetterQueue(longest + "q")), StringComparison.Ordinal);
    }

    [Fact]
    public void Dead_letter_queues_are_not_declared()
    {
        Assert.Equal("orders.dlq", Names.DeadLetterQueue("orders"));
        Assert.True(Names.IsDeadLetterQueue("orders.dlq"));
        Assert.False(Names.IsDeadLetterQueue("orders.dlq.eu"));
        Assert.False(Names.IsDeadLetterQueue("orders_dlq"));
        var exception = Assert.Throws<MessagingConfigurationException>(() => Names.CheckQueue("orders.dlq"));
        Assert.Contains(".dlq", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("orders.Placed-v2_x.0", true)]
    [InlineData("orders.*", false)]
    [InlineData("orders.#", false)]
    [InlineData("orders..placed", false)]
    [InlineData("", false)]
    [InlineData("orders.pl\tced", false)]
    [InlineData("οrders", false)] // a Greek omicron
    public void Topics(string name, bool legal) => Assert.Equal(legal, Names.WhyIllegalTopic(name) is null);

    [Fact]
    public void A_topic_and_a_pattern_have_at_most_255_characters()
    {
        var longest = new string('t', Names.MaxTopicLength);

        Assert.Equal(255, Names.MaxTopicLength);
        Assert.Null(Names.WhyIllegalTopic(longest));
        Assert.NotNull(Names.WhyIllegalTopic(longest + "t"));
        Names.CheckPattern(longest);
        Assert.Throws<MessagingConfigurationException>(() => Names.CheckPattern(longest[..^1] + ".#"));
    }

    [Theory]
    [InlineData("orders.placed")]
    [InlineData("*")]
    [InlineData("#")]
    [InlineData("*.orders.#")]
    public void Legal_patterns(string pattern) => Names.CheckPattern(pattern);

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("orders.")]
    [InlineData("orders.**")]
    [InlineData("orders*")]
    [InlineData("orders.>")]
    [InlineData("orders.# ")]
    [InlineData("##")]
    public void Illegal_patterns(string pattern) => Assert.Throws<MessagingConfigurationException>(() => Names.CheckPattern(pattern));

    [Fact]
    public void What_is_reported_shows_nothing_that_could_forge_a_line_of_a_log()
    {
        var why = Names.WhyIllegalQueue("a\r\nb\0c\u001b[31md\u2028e\u202Ef")!;

        Assert.Contains("'a??b?c?[31md?e?f'", why, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_reported_is_cut()
    {
        var why = Names.WhyIllegalTopic(new string('t', 100_000))!;

        Assert.InRange(why.Length, 80, 200);
        Assert.Contains("...'", why, StringComparison.Ordinal);
        Assert.Contains("100000", why, StringComparison.Ordinal);
    }
}
